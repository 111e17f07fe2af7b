"""Where the runs of a study train: processes of this machine, a Ray cluster, a SLURM array, or a shard of them here."""
