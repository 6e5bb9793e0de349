"""Export: conversion to .tflite, .onnx and other formats; each file carries its record and is checked.

- ``input_model``: the model to convert: its file, input size and pixel range
- ``exporter``: writes and checks all files; ``job``: what one export makes; ``precision_files``: the files of each
  precision; ``options``: batch, layout, license; ``verify``: comparison with Keras
- ``convertible``: whether a model can be exported, tried before it is trained
- ``record``: the record in every file
- ``tflite_pack``, ``tflite_batch``, ``tflite_metadata``, ``tflite_slim``: .tflite
- ``onnx_float``, ``onnx_int8``, ``emit``, ``onnx_pack``: .onnx and .ort
- ``c_array``, ``c_decision``, ``micro_example``, ``micro_ops``: C for microcontrollers; ``edgekd_preprocess.h``:
  preprocessing in C
- ``ethos_u``: Arm's NPUs; ``coreml``: Core ML; ``android/``: an Android app's module
- ``app_files``: which files in an app's project are ours
- ``ios``: a Swift package for an iOS app; ``js_package``, ``dart_package``: one for npm, for Flutter; ``port_package``:
  what both hold
"""
