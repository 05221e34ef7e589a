"""Level-triggered reconcilers: gather, decide, act, report, whatever has triggered them."""
