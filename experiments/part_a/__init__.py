"""Part A: sampling loops with a pretrained text-to-image cascade."""
