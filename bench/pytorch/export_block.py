"""Writes the block of block.py as an ONNX file, for onnxruntime-web: python3 export_block.py FILE"""
from serve import args, filled, torch
import titok

torch.onnx.export(filled(titok.Block(192, 3)).eval(), torch.zeros(8, 97, 192), args.case, opset_version=17)
