"""Networks that teachers and students share: loading, logits, blocks, outputs, pretrained weights."""
