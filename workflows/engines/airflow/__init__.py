"""All that knows Airflow 3: plans as DAG files, and runs of them over its REST API. It is never imported here."""
