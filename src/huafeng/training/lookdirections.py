"""Along which directions of their moments finished pictures tell their grade, whatever they show: for `huafeng.lookgroups`."""

from __future__ import annotations

import torch
from torch import Tensor

from huafeng.lookguess import MOST
from huafeng.training.grades import random_grades
from huafeng.training.lookfolders import Photos

GRADES, PICTURES = 1500, 24  # random grades, and pictures under each
DIRECTIONS = 16  # with more of them groups of chance lie further apart, and those of looks hardly do
RIDGE = 0.05  # of the mean variance of a moment
SIZE = 17  # nodes per axis of the grades


def directions(photos: Photos, usual: Tensor, deviation: Tensor, draw: torch.Generator) -> Tensor:
    """Linear discriminants of random grades over photos of uneven light [8, M]: of moments less `usual`, over `deviation`,
    within -8..8."""
    chosen = photos.some(2 * GRADES * PICTURES, draw).reshape(GRADES, PICTURES, 2)
    grades = random_grades(GRADES, SIZE, draw)
    found = [photos.seen(grades[k : k + 1], chosen[k : k + 1], draw, parts=0.5, uneven=1.0)[0] for k in range(GRADES)]
    return discriminants(((torch.stack(found) - usual) / deviation).clamp(-MOST, MOST))[:DIRECTIONS]


def discriminants(seen: Tensor) -> Tensor:
    """Directions in which classes differ most, measured by how members of one class do [M, M]: rows, the best first.

    Rao (1948). Along each, members vary by 1 within their class, in the mean.

    Args:
        seen: members of classes [classes, members, M].
    """
    seen = seen.double()
    members = seen.shape[1]
    means = seen.mean(1, keepdim=True)
    within = covariance(seen - means) * members / (members - 1)
    between = covariance(means - means.mean(0)) - within / members
    within += RIDGE * within.diagonal().mean() * torch.eye(len(within), dtype=within.dtype, device=within.device)
    unmixed = torch.linalg.inv(torch.linalg.cholesky(within))
    vectors = torch.linalg.eigh(unmixed @ between @ unmixed.T)[1]
    return (vectors.flip(1).T @ unmixed).float()


def covariance(centred: Tensor) -> Tensor:
    """Of rows [..., M] with a mean of 0: [M, M]."""
    rows = centred.flatten(0, -2)
    return rows.T @ rows / len(rows)
