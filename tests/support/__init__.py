"""What tests of several folders share: processes, clients, fakes, and ways to wait."""
