"""Writes the exported weights as the paper's code loads them: python3 weights.py model.safetensors model.bin"""
import os
import sys

import torch

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
import tensors

source, target = sys.argv[1:]
arrays, _ = tensors.read(source)
torch.save({name: torch.tensor(array) for name, array in arrays.items()}, target)
