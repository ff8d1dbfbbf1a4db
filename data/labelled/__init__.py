"""Anybody's labelled pictures: folders of classes, lists in CSV, arrays, and the collections of torchvision and the hub."""
