"""Who answers: raters, turns and judgements, in a database."""
