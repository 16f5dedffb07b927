"""The sentence that goes with every result a person may read."""

NO_BUILDING_RULE = "L'évaluation de l'artificialisation n'est pas une règle de constructibilité."
"""What the decree says of its own measure: printed under a stock, and written on every map."""
