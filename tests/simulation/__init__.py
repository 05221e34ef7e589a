"""The operator above its adapters, on a loop with virtual time, against models that fail.

A seed decides all: faults, timing, what users do, when the operator dies.
"""
