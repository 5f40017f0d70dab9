"""`python -m alcli`."""

from alcli.main import run

if __name__ == "__main__":
    run()
