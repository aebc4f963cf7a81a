"""What a report on a fitted model says, collected in two passes over rows; `isthmus.evaluation.report` writes it."""
