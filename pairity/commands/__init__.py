"""The command line's commands: each reads options, calls one stage, shows its report, and turns errors into exit codes."""
