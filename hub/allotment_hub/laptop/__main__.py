"""`python -m allotment_hub.laptop` is `allotment up`."""

from allotment_hub.laptop.cli import up

up(prog_name="allotment up")
