"""``python -m edgekd`` and the ``edgekd`` command: signals are handled before anything else is loaded."""

import sys

from edgekd import stopping


def main() -> None:
    """Run the command line and end the process with its exit code."""
    try:
        stopping.install()
        from edgekd.cli import main as run_command_line

        run_command_line()
    except stopping.Stopped as error:
        stopping.finish()
        sys.stderr.write(f"edgekd: {error}\n")
        sys.exit(error.exit_code)


if __name__ == "__main__":
    main()
