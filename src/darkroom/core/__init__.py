"""What the halves of Darkroom share. It imports nothing else of Darkroom."""
