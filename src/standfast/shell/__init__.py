"""The `crm` shell: grammar -> command -> API -> report -> text.

Owns: levels, commands, prompt, completion, help, the configure session. Does not own: parsing of CIB texts (compat/).
"""
