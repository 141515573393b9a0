"""Owners who are only observed, and what each run wrote."""

from django.db import migrations, models

from calsync_core.contrib.django.operations import UpgradeTables

_MODELS = (
    migrations.AddField(
        model_name="planstate",
        name="mode",
        field=models.CharField(db_default="write", max_length=32),
    ),
    migrations.AddField(
        model_name="intent",
        name="ordered",
        field=models.BooleanField(db_default=False),
    ),
    migrations.CreateModel(
        name="Write",
        fields=[
            (
                "pk",
                models.CompositePrimaryKey(
                    "run_id", "intent_id", blank=True, editable=False, primary_key=True, serialize=False
                ),
            ),
            (
                "run",
                models.ForeignKey(on_delete=models.DO_NOTHING, related_name="written", to="calsync.run"),
            ),
            ("intent_id", models.BigIntegerField()),
            (
                "target",
                models.ForeignKey(on_delete=models.DO_NOTHING, related_name="written", to="calsync.calendar"),
            ),
            ("value", models.TextField()),
        ],
        options={
            "db_table": "calsync_writes",
            "default_permissions": (),
        },
    ),
)


class Migration(migrations.Migration):
    """The store's revision 0003."""

    dependencies = (("calsync", "0001_first_tables"),)
    operations = (migrations.SeparateDatabaseAndState([UpgradeTables("0003", "0002")], list(_MODELS)),)
