"""The command line: each command reads options, calls one stage, shows its report, turns errors into exit codes."""
