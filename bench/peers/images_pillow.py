#!/usr/bin/env python3
"""Pillow as the named peer of bench_images: photographs decoded, cropped, resized and augmented, in one thread.

    images_pillow.py FOLDER [--size 128 224]      FOLDER/train/CLASS/*.jpg

The work is that of torchvision's RandomResizedCrop, RandomHorizontalFlip, ColorJitter(32/255, saturation=0.5), ToTensor
and Normalize, or Resize and CenterCrop, on Pillow images, with the calls that those make, but without torchvision and
its tensors: NumPy makes the floats. Prints the fields of bench_images. Needs pillow and numpy.
"""
import argparse
import json
import math
import pathlib
import random
import time

import numpy as np
from PIL import Image, ImageEnhance

MEAN = np.array([0.485, 0.456, 0.406], np.float32)
STDDEV = np.array([0.229, 0.224, 0.225], np.float32)


def decode(path):
    return Image.open(path).convert("RGB")


def crop_of(width, height):
    for _ in range(10):
        area = width * height * random.uniform(0.08, 1)
        ratio = math.exp(random.uniform(math.log(3 / 4), math.log(4 / 3)))
        w, h = round(math.sqrt(area * ratio)), round(math.sqrt(area / ratio))
        if 0 < w <= width and 0 < h <= height:
            left, top = random.randint(0, width - w), random.randint(0, height - h)
            return left, top, left + w, top + h
    side = min(width, height)
    return (width - side) // 2, (height - side) // 2, (width + side) // 2, (height + side) // 2


def to_array(image):
    return (np.asarray(image, np.float32) / 255 - MEAN) / STDDEV


def train(path, size):
    image = decode(path)
    image = image.crop(crop_of(*image.size)).resize((size, size), Image.BILINEAR)
    if random.random() < 0.5:
        image = image.transpose(Image.FLIP_LEFT_RIGHT)
    jitter = [(ImageEnhance.Brightness, random.uniform(1 - 32 / 255, 1 + 32 / 255)),
              (ImageEnhance.Color, random.uniform(0.5, 1.5))]
    random.shuffle(jitter)
    for enhance, factor in jitter:
        image = enhance(image).enhance(factor)
    return to_array(image)


def evaluate(path, size):
    image = decode(path)
    short = math.ceil(size / 0.875)
    scale = short / min(image.size)
    image = image.resize([short if s == min(image.size) else int(s * scale) for s in image.size], Image.BILINEAR)
    left, top = round((image.width - size) / 2), round((image.height - size) / 2)
    return to_array(image.crop((left, top, left + size, top + size)))


def measure(work, paths, rounds, seconds):
    work(paths[0])
    rates = []
    for _ in range(rounds):
        images, start = 0, time.perf_counter()
        while (passed := time.perf_counter() - start) < seconds:
            work(paths[images % len(paths)])
            images += 1
        rates.append(images / passed)
    rates.sort()
    return {"images_per_second": round(rates[len(rates) // 4]), "least": round(rates[0]), "most": round(rates[-1])}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=pathlib.Path)
    parser.add_argument("--size", type=int, nargs="+", default=[128, 224])
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--seconds", type=float, default=1)
    args = parser.parse_args()
    paths = sorted(args.folder.glob("train/*/*.jpg"))
    peers = [("decode", 0, lambda path: decode(path).load())]
    for size in args.size:
        peers += [("train", size, lambda path, size=size: train(path, size)),
                  ("evaluate", size, lambda path, size=size: evaluate(path, size))]
    for what, size, work in peers:
        print(json.dumps({"what": what, "size": size, "threads": 1,
                          **measure(work, paths, args.rounds, args.seconds)}), flush=True)


if __name__ == "__main__":
    main()
