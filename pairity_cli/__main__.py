"""`python -m pairity_cli`: the command line where no script is installed."""

from pairity_cli.main import main

if __name__ == "__main__":
    main()
