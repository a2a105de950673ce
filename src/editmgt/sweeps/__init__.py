"""From a command line to finished cells: composed, checked, planned, run and gone on with."""
