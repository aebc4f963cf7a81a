"""A fit in steps: resolve the plan, measure and scale, start, train, and return the fitted state."""
