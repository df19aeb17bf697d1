"""A plan as the text of a DAG file: pure, the same bytes every time, and nothing but Airflow is imported by it.

No string of a capsule goes where Airflow renders templates; steps are named by ids, and data stay in the ledger.
"""
