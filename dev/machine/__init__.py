"""What the development tools share: cache folder, platform, locks, processes, errors."""
