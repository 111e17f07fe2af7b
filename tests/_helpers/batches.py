"""Twelve images of three classes, each of which says where it stands, as data sets of several forms."""

import torch
from torch.utils.data import Dataset, IterableDataset, TensorDataset

COUNT = 12
IMAGES = torch.arange(COUNT).view(COUNT, 1, 1, 1).expand(COUNT, 3, 4, 5).float() / COUNT
LABELS = torch.arange(COUNT) % 3
DATA = TensorDataset(IMAGES, LABELS)


class Items(Dataset):
    """Items of whatever form, made of an image and a label."""

    def __init__(self, form):
        self.form = form

    def __len__(self):
        return COUNT

    def __getitem__(self, index):
        return self.form(IMAGES[index], int(LABELS[index]))


class Stream(IterableDataset):
    """The first so many, without a length."""

    def __init__(self, count=COUNT):
        self.count = count

    def __iter__(self):
        return iter(zip(IMAGES[: self.count], LABELS[: self.count].tolist(), strict=True))
