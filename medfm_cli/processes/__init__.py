"""Several processes for one command: spawned, started by a launcher, or on a Dask cluster."""
