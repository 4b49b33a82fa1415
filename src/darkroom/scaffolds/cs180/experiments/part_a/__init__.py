"""Part A: sampling loops with a pretrained model."""
