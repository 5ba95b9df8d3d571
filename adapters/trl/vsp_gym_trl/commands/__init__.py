"""The subcommands of `vsp-gym-trl`."""
