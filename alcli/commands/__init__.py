"""One file per subcommand: read the options, make one call, say what happened."""
