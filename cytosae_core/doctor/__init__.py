"""What is installed, found and missing, and how to mend it. Imports nothing but the standard library by itself."""
