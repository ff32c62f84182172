import typer

receipts = typer.Typer()
attestation = typer.Typer()
