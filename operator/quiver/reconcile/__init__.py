"""Level-triggered reconcilers: gather, decide, act, report. The same for every cause."""
