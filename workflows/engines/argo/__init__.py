"""All that knows Argo Workflows. The engine carries order; every value goes through the ledger (`engines.objects`)."""
