"""Studies, raters and judgements: never imports torch, `sae` or `backbone`."""
