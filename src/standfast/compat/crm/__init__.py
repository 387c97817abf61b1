"""The grammar of `crm configure`, both ways, and a configuration that is changed by its statements. Pure.

Owns: lexing and parsing with line and column, ids as crmsh makes them, printing as crmsh prints, edits that are whole or not at
all, differences as CIB operations, checks against agents' meta-data. Does not own: commands, prompts, connections (shell/).

The face of the room:

    parser.parse_text(text, source, providers) -> tuple[Definition, ...];  lexer.statements, lexer.statement_of_words
    document.Configuration(root, version): objects(), find(), copy()
    edit.define / load / delete / rename -> (Configuration, notices); Refused leaves everything as it was
    render.show / show_xml / select;  changes.operations(before, after), changes.merge(base, mine, theirs)
    check.check(configuration, ids, agents) -> reports
"""
