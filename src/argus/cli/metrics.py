"""`argus metrics`: what dashboards and alerting need, made of the metrics themselves."""

from __future__ import annotations

import typer

from argus.cli.server import ServerOption, connect
from argus.cli.tables import Output, print_data

app = typer.Typer(
    name="metrics", no_args_is_help=True, help="Metrics, and the dashboards and rules made of them."
)


@app.command()
def show(server: ServerOption = None) -> None:
    """Print the metrics of the control plane and of all workers, as `/metrics` gives them.

    **Example**

    `argus metrics show | grep argus_camera`
    """
    with connect(server) as client:
        typer.echo(client.metrics(), nl=False)


@app.command()
def grafana() -> None:
    """Print a Grafana dashboard as JSON, to be imported there.

    **Example**

    `argus metrics grafana > argus-dashboard.json`
    """
    from argus.control.monitoring.grafana import dashboard

    print_data(dashboard(), Output.JSON)


@app.command()
def rules() -> None:
    """Print Prometheus alerting rules as YAML.

    **Example**

    `argus metrics rules > argus.rules.yaml`
    """
    from argus.control.monitoring.rules import rules as made

    print_data(made(), Output.YAML)
