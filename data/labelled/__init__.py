"""Anybody's labelled pictures: folders of classes, lists in CSV, arrays, collections of torchvision and the hub."""
