"""Networks: pure functions of parameters and a batch; no loss in here."""
