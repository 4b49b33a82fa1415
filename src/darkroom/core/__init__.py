"""What lab and press share. It imports no other part of Darkroom."""
