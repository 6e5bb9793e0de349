"""Quantization: from a float student to an int8 .tflite.

- ``settings``: the recipe's [quantize]; ``precisions``: descriptions of the precisions
- ``float_model``, ``model_ending``: prepare a Keras model; ``converter``: runs TensorFlow's converter
- ``calibration``, ``observed_ranges``, ``calibration_method``, ``histogram``: ranges of activations
- ``best_ranges``: the method of calibration that agrees most with the float student; ``bias_correction``
- ``per_tensor``: what one weight scale per tensor costs
- ``ptq``: post-training quantization and the other conversions; ``io_types``: uint8 inputs and outputs
- ``saturation``: weights that no CPU's int8 kernels saturate
- ``ladder``, ``rungs``, ``ladder_step``, ``sensitivity``, ``op_names``: int8 within an accuracy bound
- ``bridge``, ``bridge_layers``, ``tfmot``: a Keras 3 model in tf_keras, which TFMOT needs
- ``qat``, ``placement``, ``fake_quantize``, ``qat_convert``, ``logit_loss``, ``tf_keras_training``: QAT
- ``sparsity``, ``keep_clusters``, ``weight_facts``: pruning and clustering
- ``run_tflite``: runs a .tflite that is not packed yet
"""
