"""Run the command as `python -m allotment_session`."""

from allotment_session.cli import run

if __name__ == "__main__":
    run()
