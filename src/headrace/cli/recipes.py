"""`headrace recipe`: the schema, and a check that runs nothing."""

import typer

from headrace.cli.arguments import ChangesOption, RecipeArgument, load_changed

app = typer.Typer(help="Look at recipes without running them.", no_args_is_help=True)


@app.command(epilog="Example: headrace recipe schema > recipe.schema.json")
def schema() -> None:
    """Print the JSON schema of recipes, for editors and scripts."""
    import orjson

    from headrace.recipe import Recipe

    typer.echo(orjson.dumps(Recipe.model_json_schema(), option=orjson.OPT_INDENT_2))


@app.command(epilog="Example: headrace recipe check examples/quickstart.yaml --set model.preset=small")
def check(
    recipe: RecipeArgument,
    changes: ChangesOption = None,
) -> None:
    """Print a recipe with every default filled in, as JSON, or say what is wrong with it."""
    import orjson

    from headrace.corpus.decide.rules import check_rules
    from headrace.corpus.discover import find_files
    from headrace.examples.find import find_examples
    from headrace.models.given import GivenModel
    from headrace.pipeline.identity import given_files

    loaded = load_changed(recipe, changes)
    if loaded.corpus is not None:
        check_rules(loaded.corpus)
        for source in loaded.corpus.sources:
            find_files(source, recipe.parent)
    if loaded.examples is not None:
        find_examples(loaded.examples, recipe.parent)
    if isinstance(loaded.model, GivenModel):
        given_files(recipe.parent / loaded.model.hf)
    typer.echo(orjson.dumps(loaded.as_json(), option=orjson.OPT_INDENT_2))
