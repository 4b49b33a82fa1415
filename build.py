import sys
from pathlib import Path

sys.path[:0] = [str(Path(__file__).parent), str(Path(__file__).parent / "src")]

from darkroom.cli import main  # noqa: E402

if __name__ == "__main__":
    sys.exit(main(root=Path(__file__).parent))
