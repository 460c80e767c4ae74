"""Losses as pure functions. Pictures are [B, 3, H, W] in 0..1, features [B, C, H, W]; every loss is a scalar >= 0,
except the generator's adversarial loss, which may be negative (more of those: `adversarial`).

Losses of pictures are means over the batch, all but `grid_excess`: where processes hold equal shares of it, the mean of
their losses is the whole batch's. They count in float32, except for the products in `gram`; call them outside of autocast.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import torch
import torch.nn.functional as F
from torch import Tensor, nn

LUMA = torch.tensor([0.299, 0.587, 0.114])
FAINT = 1e-4  # power far below one level of 255: bilinear enlargement leaves none at period 2, and noise has no ratio
FAINT_SLOPE = 4e-4  # squared slope, 5 levels of 255 from pixel to pixel: what is fainter has no direction
FAINT_DETAIL = 0.1  # summed square of a tile's detail, 3 levels of 255: what is less visible than that has no rhythm


def luminance(picture: Tensor) -> Tensor:
    """Pictures [B, 3, H, W] -> float32 [B, H, W], weights of Rec. 601."""
    return (picture.float() * LUMA.to(picture.device)[None, :, None, None]).sum(1)


def gram(features: Tensor, weights: Tensor | None = None) -> Tensor:
    """[B, C, H, W] -> float32 [B, C, C]: G = F F^T / (H W) (Gatys et al., CVPR 2016). Multiplies in the features' own
    precision (bf16 products are summed in float32 by the matrix units).

    weights [B, 1, H', W'] >= 0: how much each place counts, brought to the features' size; G = sum w f f^T / sum w.
    """
    flat = features.permute(0, 2, 3, 1).flatten(1, 2)  # [B, H W, C]: a view where memory is channels-last
    if weights is None:
        return (flat.transpose(1, 2) @ flat).float() / flat.shape[1]
    w = F.adaptive_avg_pool2d(weights.float(), (features.shape[2], features.shape[3])).flatten(2).transpose(1, 2)  # [B, H W, 1]
    return ((flat * w.to(flat)).transpose(1, 2) @ flat).float() / w.sum(1, keepdim=True)


def busyness(photo: Tensor, floor: Tensor | float = 0.0) -> Tensor:
    """How much happens at each place of photos [B, 3, H, W]: [B, 1, H/8, W/8] in floor..1.

    floor + (1 - floor) (1 - exp(-d / 0.02)), d the standard deviation of the luminance's finer part in cells of 16 px: plain
    grounds and soft shades count `floor` (one for all, or [B]), hair and leaves 1.
    """
    floor = torch.as_tensor(floor, device=photo.device).reshape(-1, 1, 1, 1)
    return floor + (1 - floor) * (1 - (-fine_energy(photo, 16).sqrt() / 0.02).exp())


def fine_energy(picture: Tensor, cell: int = 32) -> Tensor:
    """Pictures [B, 3, S, S] -> mean square of the luminance's part finer than about 16 px, in overlapping cells of `cell` px:
    [B, 1, S/8, S/8]."""
    return F.avg_pool2d(fine_part(picture).square(), cell, 8, (cell - 8) // 2, count_include_pad=False)


def finest_energy(picture: Tensor, cell: int = 16) -> Tensor:
    """The same of the part finer than about 4 px."""
    return F.avg_pool2d(finest_part(luminance(picture))[:, None].square(), cell, 8, (cell - 8) // 2, count_include_pad=False)


def fine_part(picture: Tensor) -> Tensor:
    """Pictures [B, 3, H, W] -> their luminance's part finer than about 16 px, [B, 1, H, W]."""
    luma = luminance(picture)[:, None]
    return luma - F.avg_pool2d(F.avg_pool2d(luma, 9, 1, 4, count_include_pad=False), 9, 1, 4, count_include_pad=False)


def feature_energy(features: Tensor, stride: int, cell: int = 32) -> Tensor:
    """Features [B, C, S / stride, S / stride], stride 2 or 4 -> their mean square in the same cells: [B, 1, S/8, S/8]."""
    square = features.float().square().mean(1, keepdim=True)
    return F.avg_pool2d(square, cell // stride, 8 // stride, (cell - 8) // stride // 2, count_include_pad=False)


def crowding(energy: Tensor, photo: Tensor) -> Tensor:
    """Texture heaped up where the photo has none: mean of relu(e - e(photo) - 1)^2, e an energy over its own mean.

    Gram matrices ask for texture, but not where: a generator may put it all into a few shades and plain corners, as scales and
    rings. With instance norm it has a second reason to: a spot of great activations sets the scale of all others (the
    droplets of Karras et al., "Analyzing and Improving the Image Quality of StyleGAN", CVPR 2020, section 2).

    Args:
        energy: of a result (`fine_energy`, `finest_energy`), or of the generator's inner layers, [B, 1, h, w].
        photo: the photo's, [B, 1, h, w].
    """
    made, plain = (e / (e.mean((1, 2, 3), keepdim=True) + 1e-5) for e in (energy, photo))
    return (made - plain - 1).relu().square().mean()


def style_loss(made: Tensor, target: Tensor) -> Tensor:
    """Squared distance of Gram matrices [B, C, C] over the target's own mean square, averaged over the batch."""
    scale = target.square().mean((1, 2))
    return ((made - target).square().mean((1, 2)) / scale).mean()


def content_loss(made: Tensor, photo: Tensor, weights: Tensor | None = None) -> Tensor:
    """Squared distance of features over the photo's own mean square (Johnson et al., ECCV 2016, relative form).

    weights [B]: how much each picture's counts.
    """
    made, photo = made.float(), photo.float()
    distances = (made - photo).square().mean((1, 2, 3)) / photo.square().mean((1, 2, 3))
    return (distances if weights is None else weights * distances).mean()


def channel_statistics(features: Tensor) -> Tensor:
    """Features [B, C, H, W] -> float32 [B, 2, C]: each channel's mean and standard deviation, sqrt(variance + 1e-5)."""
    variance, mean = torch.var_mean(features.float(), (2, 3), correction=0)
    return torch.stack([mean, (variance + 1e-5).sqrt()], 1)


def adain_loss(made: Tensor, target: Tensor) -> Tensor:
    """Squared distance of channel statistics [B, 2, C] over the target's own mean square, averaged over the batch.

    What AdaIN matches (Huang & Belongie, "Arbitrary Style Transfer in Real-time with Adaptive Instance Normalization",
    ICCV 2017, eq. 13), squared and relative, so that layers weigh the same. Both come from `channel_statistics`, so the
    pictures behind them may differ in size.
    """
    scale = target.square().mean((1, 2))
    return ((made - target).square().mean((1, 2)) / scale).mean()


def cycle_loss(returned: Tensor, picture: Tensor) -> Tensor:
    """mean |F(G(x)) - x|: there and back again gives the picture (CycleGAN, Zhu et al., ICCV 2017; both ways are added)."""
    return F.l1_loss(returned.float(), picture.float())


def identity_loss(made: Tensor, work: Tensor) -> Tensor:
    """mean |G(y) - y|: what has the style already stays as it is (Taigman et al., ICLR 2017; Zhu et al., section 5.2)."""
    return F.l1_loss(made.float(), work.float())


def dissimilarity(made: Tensor, truth: Tensor, window: int = 8) -> Tensor:
    """1 - SSIM of luminances: 0 = alike (Wang et al., "Image Quality Assessment: From Error Visibility to Structural
    Similarity", IEEE TIP 2004, eq. 13, with plain windows of 8 x 8 px and colours in 0..1)."""
    x, y = luminance(made)[:, None], luminance(truth)[:, None]  # [B, 1, H, W]
    means = [F.avg_pool2d(values, window, stride=1) for values in (x, y, x * x, y * y, x * y)]
    mean_x, mean_y = means[:2]
    variances = (means[2] - mean_x.square()) + (means[3] - mean_y.square())
    covariance = means[4] - mean_x * mean_y
    light, contrast = 0.01**2, 0.03**2
    alike = (2 * mean_x * mean_y + light) * (2 * covariance + contrast)
    return 1 - (alike / ((mean_x.square() + mean_y.square() + light) * (variances + contrast))).mean()


def patch_nce(queries: Tensor, keys: Tensor, temperature: float = 0.07) -> Tensor:
    """Each place of the result knows its own place in the photo among the photo's other places (PatchNCE).

    queries, keys: features [B, P, C] of the result and of the photo at the same P places. Cross-entropy of cosines over
    temperature, place p of the same photo being the right answer to query p; mean over places and batch. No gradient goes
    into the keys (CUT, Park et al., "Contrastive Learning for Unpaired Image-to-Image Translation", ECCV 2020).
    """
    q, k = F.normalize(queries.float(), dim=2), F.normalize(keys.detach().float(), dim=2)
    logits = q @ k.transpose(1, 2) / temperature  # [B, P, P]
    right = torch.arange(logits.shape[1], device=logits.device).expand(logits.shape[:2])
    return F.cross_entropy(logits.flatten(0, 1), right.flatten())


def detail_loss(made: Tensor, photo: Tensor) -> Tensor:
    """Fine detail stays: mean |H(made) - H(photo)| of luminances, H = picture - its 5 x 5 binomial blur.

    H is the finest level of the Laplacian pyramid before shrinking (Burt & Adelson, 1983). Being linear, it needs to see
    the difference only; rims are continued by their last pixel.
    """
    return finest_part(luminance(made) - luminance(photo)).abs().mean()


def finest_part(luma: Tensor) -> Tensor:
    """[B, H, W] less its 5 x 5 binomial blur."""
    blurred = F.pad(luma, (2, 2, 2, 2), mode="replicate")
    for axis in (1, 2):  # 1 4 6 4 1 as sums of slices: a convolution of one channel takes ten times as long on a CPU
        a, b, c, d, e = (blurred.narrow(axis, i, blurred.shape[axis] - 4) for i in range(5))
        blurred = (a + e + 4 * (b + d) + 6 * c) / 16
    return luma - blurred


def total_variation(picture: Tensor) -> Tensor:
    """Mean absolute difference of neighbours, both directions."""
    return picture.diff(dim=2).abs().mean() + picture.diff(dim=3).abs().mean()


def flatness_loss(made: Tensor, photo: Tensor, cell: int = 16, edge: float = 0.05, weights: Tensor | None = None) -> Tensor:
    """Flat stays flat: differences between neighbouring cell means of the result, where the photo's cells do not differ.

    Mean of |d made| exp(-|d photo| / edge) over cells of `cell` x `cell` px: keeps skies from growing blotches, while
    strokes, which are smaller than a cell, are free. weights [B]: how much each picture's counts.
    """
    pooled, reference = F.avg_pool2d(made.float(), cell), F.avg_pool2d(photo.float(), cell)
    total = made.new_zeros(())
    for axis in (2, 3):
        calm = (-reference.diff(dim=axis).abs().amax(1, keepdim=True) / edge).exp()  # [B, 1, h, w]
        found = (pooled.diff(dim=axis).abs() * calm).mean((1, 2, 3))
        total = total + (found if weights is None else weights * found).mean()
    return total


def tone_loss(made: Tensor, photo: Tensor, cell: int = 16) -> Tensor:
    """Light stays light: what an affine map of the photo's luminance leaves of the result's, both means of cells of 16 px.

    Mean of (m - slope p)^2, m and p less their means over each picture, slope = sum m p / sum p^2: contrast and brightness are
    free, smudges are not.
    """
    m, p = (F.avg_pool2d(luminance(x)[:, None], cell).flatten(1) for x in (made, photo))
    m, p = m - m.mean(1, keepdim=True), p - p.mean(1, keepdim=True)
    slope = (m * p).sum(1, keepdim=True) / (p.square().sum(1, keepdim=True) + 1e-6)
    return (m - slope * p).square().mean()


def stain_loss(made: Tensor, photo: Tensor, cell: int = 16) -> Tensor:
    """Equal colours stay equal: what a map of the photo's colours leaves of the result's, both means of cells of 16 px.

    Mean square of what is left of the result's differences of red and blue to green by least squares on the photo's colours,
    their squares and 1: each colour may become any other, but fur of one colour does not become brown and green.
    """
    m, p = (F.avg_pool2d(x.float(), cell).flatten(2).transpose(1, 2) for x in (made, photo))  # [B, cells, 3]
    wanted = m[..., ::2] - m[..., 1:2]  # [B, cells, 2]
    basis = torch.cat([p, p.square(), torch.ones_like(p[..., :1])], 2)  # [B, cells, 7]
    normal = basis.transpose(1, 2) @ basis / basis.shape[1] + 1e-4 * torch.eye(basis.shape[2], device=p.device)
    found = torch.linalg.solve(normal, basis.transpose(1, 2) @ wanted / basis.shape[1])
    return (wanted - basis @ found).square().mean()


def direction_loss(made: Tensor, wanted: Tensor) -> Tensor:
    """Strokes have a direction: mean of relu(wanted - found)^2, both as `coherence` gives them [B, 3].

    A Gram matrix asks for edges of certain directions, but not side by side: rings and scales have all of them at one place.
    """
    return (wanted - coherence(made)).relu().square().mean()


def coherence(picture: Tensor, cells: tuple[int, ...] = (8, 16, 32)) -> Tensor:
    """How far what happens at one place of pictures [B, 3, H, W] has one direction: [B, len(cells)] in 0..1.

    sum sqrt((a - b)^2 + 4 c^2) / (a + b + f) over sum (a + b) / (a + b + f), with a, b, c the means of gx^2, gy^2 and gx gy
    over overlapping cells, gx and gy the luminance's slopes (Sobel): the coherence of the structure tensor (Bigun & Granlund,
    "Optimal Orientation Detection of Linear Symmetry", ICCV 1987), the mean over all places where something happens.
    """
    luma = luminance(picture)
    right = luma[:, :, 2:] - luma[:, :, :-2]
    down = luma[:, 2:] - luma[:, :-2]
    gx = (right[:, :-2] + 2 * right[:, 1:-1] + right[:, 2:]) / 8
    gy = (down[..., :-2] + 2 * down[..., 1:-1] + down[..., 2:]) / 8
    tensor = torch.stack([gx.square(), gy.square(), gx * gy], 1)  # [B, 3, H - 2, W - 2]
    found = []
    for cell in cells:
        side = min(cell, *tensor.shape[2:])  # small pictures are one cell
        a, b, c = F.avg_pool2d(tensor, side, side // 2).unbind(1)
        along, counts = ((a - b).square() + 4 * c.square() + 1e-16).sqrt(), a + b
        shares = [(x / (counts + FAINT_SLOPE)).mean((1, 2)) for x in (along, counts)]
        found.append(shares[0] / (shares[1] + 1e-3))
    return torch.stack(found, 1)


def rhythm_loss(made: Tensor, photo: Tensor, usual: float = 0.2, tiles: tuple[int, ...] = (64, 32)) -> Tensor:
    """Strokes do not march in step: how far the result's fine detail repeats itself beyond the photo's own and `usual`.

    Sum over sizes of tiles of the mean over tiles of sum over lags of relu(r - relu(r(photo)) - usual)^2, r as in `repetition`:
    scales, lattices and hatching repeat themselves, brush strokes hardly do.
    """
    found = []
    for tile in tiles:
        with torch.no_grad():
            own = repetition(photo, tile).relu()
        found.append((repetition(made, tile) - own - usual).relu().square().sum(-1).mean())
    return torch.stack(found).sum()


def repetition(picture: Tensor, tile: int = 64, shortest: int = 4) -> Tensor:
    """How pictures [B, 3, S, S] repeat themselves, by their luminance's part finer than about 16 px: [B, T, L].

    T tiles of `tile` px side by side, L lags d of even numbers of pixels from `shortest` px to half a tile: r(d) -
    relu(r(d / 2)), r the autocorrelation. A long stroke is alike at d and on the way there; what repeats itself is not. 1: the
    tile is the same again there, 0 or less: it is not, or has next to no detail. r is the inverse Fourier transform of the
    power (Wiener-Khinchin theorem) over its value at lag 0, with a Hann window whose own autocorrelation is divided out.
    """
    fine = fine_part(picture)[:, 0]
    window = torch.hann_window(tile, periodic=False, device=picture.device)
    window = window[:, None] * window
    tiles = fine.unfold(1, tile, tile).unfold(2, tile, tile).flatten(1, 2) * window  # [B, T, tile, tile]
    found, usual = (
        torch.fft.irfft2(torch.fft.rfft2(x, s=(2 * tile, 2 * tile)).abs().square(), s=(2 * tile, 2 * tile))
        for x in (tiles, window)
    )
    steps = torch.arange(-(tile // 4), tile // 4 + 1)
    down, across = (x.flatten() for x in torch.meshgrid(steps, steps, indexing="ij"))  # of half a lag
    length = 2 * (down.square() + across.square()).sqrt()
    half = (down > 0) | ((down == 0) & (across > 0))  # the other half is the same
    kept = half & (length >= shortest) & (length <= tile // 2)
    down, across = (x[kept].to(picture.device) for x in (down, across))

    def at(factor: int) -> Tensor:
        place = factor * down, factor * across  # negative ones count from the end, as lags do
        return found[..., *place] / (found[..., :1, 0] + FAINT_DETAIL) * (usual[0, 0] / usual[place])

    return at(2) - at(1).relu()


def l1_penalty(module: nn.Module) -> Tensor:
    """Sum of |w| over the module's trainable weights (lasso): many weights become 0."""
    return sum((w.float().abs().sum() for w in _weights(module)), torch.zeros(()))


def l2_penalty(module: nn.Module) -> Tensor:
    """Half the sum of w^2 over the module's trainable weights (ridge): its gradient is w, as weight decay's in SGD."""
    return sum((w.float().square().sum() / 2 for w in _weights(module)), torch.zeros(()))


def _weights(module: nn.Module) -> Iterator[nn.Parameter]:
    """Kernels and matrices; not biases, nor norms' scales and shifts, which are few and have one axis."""
    return (p for p in module.parameters() if p.ndim > 1 and p.requires_grad)


def grid_excess(picture: Tensor, period: int = 8, spread: int = 2, *, mean: Callable[[Tensor], Tensor] | None = None) -> Tensor:
    """How far periodic grids stand out of the picture's spectrum, in nepers; 0 = not at all.

    Power of the luminance (Hann window, mean over the batch) at the bins of periods `period`, `period/2`, ... pixels,
    over the mean of the bins within `spread` around each; positive logarithms are averaged. H = W, a multiple of `period`.

    The logarithm sees the whole batch's power. Where several processes share a batch, `mean` takes this one's mean power
    [S, S] and returns the mean over all of them, with gradient.
    """
    side = picture.shape[-1]
    luma = luminance(picture)  # [B, S, S]
    window = torch.hann_window(side, periodic=True, device=picture.device)
    power = torch.fft.fft2((luma - luma.mean((1, 2), keepdim=True)) * window[:, None] * window).abs().square().mean(0)
    if mean is not None:
        power = mean(power)
    at = torch.arange(0, side, side // period)
    offsets = torch.arange(-spread, spread + 1)
    rows = (at[:, None] + offsets).remainder(side)  # [P, 2 spread + 1]
    patches = power[rows][:, :, rows].permute(0, 2, 1, 3)  # [P, P, 2 spread + 1, 2 spread + 1]
    # the Hann window spreads a pure tone over 3 x 3 bins: they are the peak, the rest is the neighbourhood
    peak = patches[..., spread, spread]
    ring = torch.ones(2 * spread + 1, 2 * spread + 1, device=picture.device)
    ring[spread - 1 : spread + 2, spread - 1 : spread + 2] = 0
    neighbours = (patches * ring).sum((-1, -2)) / ring.sum()
    ratio = (peak + FAINT).log() - (neighbours + FAINT).log()
    return ratio.flatten()[1:].relu().mean()  # without the mean itself
