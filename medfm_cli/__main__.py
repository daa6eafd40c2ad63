"""`python -m medfm_cli` is the same program as `medfm`."""

from medfm_cli.cli.app import main

if __name__ == "__main__":
    main()
