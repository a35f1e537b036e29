"""The side-by-side measurements: bench/run.py runs them, bench/report.py makes tables of what they wrote."""
