"""The first tables."""

from django.db import migrations, models

from calsync_core.contrib.django.fields import InstantField
from calsync_core.contrib.django.operations import UpgradeTables

_MODELS = (
    migrations.CreateModel(
        name="Account",
        fields=[
            ("id", models.BigAutoField(primary_key=True, serialize=False)),
            ("owner", models.CharField(max_length=255)),
            ("name", models.CharField(max_length=255)),
            ("value", models.TextField()),
            ("status", models.CharField(max_length=32, verbose_name="account")),
        ],
        options={
            "db_table": "calsync_accounts",
            "default_permissions": (),
        },
    ),
    migrations.CreateModel(
        name="Block",
        fields=[
            ("ref", models.CharField(max_length=191, primary_key=True, serialize=False)),
            ("key", models.CharField(max_length=191)),
            ("owner", models.CharField(max_length=255)),
            ("source_id", models.BigIntegerField()),
            ("uid_hash", models.CharField(max_length=64)),
            ("native_hash", models.CharField(max_length=64)),
            ("state", models.CharField(max_length=32)),
            ("held_since", InstantField(null=True)),
            ("changed_at", InstantField(null=True)),
            ("slot_end", InstantField()),
            ("value", models.TextField()),
        ],
        options={
            "db_table": "calsync_blocks",
            "default_permissions": (),
        },
    ),
    migrations.CreateModel(
        name="Calendar",
        fields=[
            ("id", models.BigAutoField(primary_key=True, serialize=False)),
            ("owner", models.CharField(max_length=255)),
            ("remote_hash", models.CharField(max_length=64)),
            ("enabled", models.BooleanField()),
            ("value", models.TextField()),
        ],
        options={
            "db_table": "calsync_calendars",
            "default_permissions": ("view", "change"),
        },
    ),
    migrations.CreateModel(
        name="Debt",
        fields=[
            (
                "pk",
                models.CompositePrimaryKey(
                    "calendar_id", "key_hash", blank=True, editable=False, primary_key=True, serialize=False
                ),
            ),
            ("key_hash", models.CharField(max_length=64)),
            ("key", models.TextField()),
            ("reason", models.TextField()),
            ("since", InstantField()),
            ("due_at", InstantField()),
            ("attempts", models.IntegerField()),
        ],
        options={
            "db_table": "calsync_debts",
            "default_permissions": (),
        },
    ),
    migrations.CreateModel(
        name="Event",
        fields=[
            (
                "pk",
                models.CompositePrimaryKey(
                    "calendar_id", "key_hash", "position", blank=True, editable=False, primary_key=True, serialize=False
                ),
            ),
            ("calendar_id", models.BigIntegerField()),
            ("key_hash", models.CharField(max_length=64)),
            ("position", models.IntegerField()),
            ("identity", models.TextField()),
            ("identity_hash", models.CharField(max_length=64)),
            ("plannable", models.BooleanField()),
            ("starts_at", InstantField()),
            ("ends_at", InstantField(null=True)),
            ("mark_hash", models.CharField(max_length=64, null=True)),
            ("value", models.TextField()),
        ],
        options={
            "db_table": "calsync_events",
            "default_permissions": (),
        },
    ),
    migrations.CreateModel(
        name="Intent",
        fields=[
            ("id", models.BigAutoField(primary_key=True, serialize=False)),
            ("owner", models.CharField(max_length=255)),
            ("ref", models.CharField(max_length=191, unique=True)),
            ("slot_at", InstantField()),
            ("due_at", InstantField()),
            ("attempts", models.IntegerField()),
            ("claimed_name", models.CharField(max_length=255, null=True)),
            ("claimed_token", models.BigIntegerField(null=True)),
            ("value", models.TextField()),
        ],
        options={
            "db_table": "calsync_intents",
            "default_permissions": (),
        },
    ),
    migrations.CreateModel(
        name="Item",
        fields=[
            (
                "pk",
                models.CompositePrimaryKey(
                    "calendar_id", "key_hash", blank=True, editable=False, primary_key=True, serialize=False
                ),
            ),
            ("key_hash", models.CharField(max_length=64)),
            ("key", models.TextField()),
            ("etag", models.TextField(null=True)),
            ("version", InstantField(null=True)),
            ("series", models.TextField(null=True)),
            ("series_hash", models.CharField(max_length=64, null=True)),
            ("round", models.BigIntegerField()),
        ],
        options={
            "db_table": "calsync_items",
            "default_permissions": (),
        },
    ),
    migrations.CreateModel(
        name="JournalLine",
        fields=[
            ("id", models.BigAutoField(primary_key=True, serialize=False)),
            ("owner", models.CharField(max_length=255)),
            ("is_key", models.BooleanField()),
            ("word", models.TextField()),
        ],
        options={
            "db_table": "calsync_journal",
            "default_permissions": (),
        },
    ),
    migrations.CreateModel(
        name="Lease",
        fields=[
            ("name", models.CharField(max_length=255, primary_key=True, serialize=False)),
            ("holder", models.CharField(max_length=255)),
            ("token", models.BigIntegerField()),
            ("expires_at", InstantField(null=True)),
        ],
        options={
            "db_table": "calsync_leases",
            "default_permissions": (),
        },
    ),
    migrations.CreateModel(
        name="Notice",
        fields=[
            ("id", models.BigAutoField(primary_key=True, serialize=False)),
            ("owner", models.CharField(max_length=255)),
            ("due_at", InstantField()),
            ("attempts", models.IntegerField()),
            ("value", models.TextField()),
        ],
        options={
            "db_table": "calsync_notices",
            "default_permissions": (),
        },
    ),
    migrations.CreateModel(
        name="Notification",
        fields=[
            ("id", models.BigAutoField(primary_key=True, serialize=False)),
            ("message_hash", models.CharField(max_length=64, null=True, unique=True)),
            ("status", models.CharField(max_length=32)),
            ("received_at", InstantField()),
            ("due_at", InstantField()),
            ("finished_at", InstantField(null=True)),
            ("value", models.TextField()),
        ],
        options={
            "db_table": "calsync_notifications",
            "default_permissions": ("view", "change"),
        },
    ),
    migrations.CreateModel(
        name="PlanState",
        fields=[
            ("owner", models.CharField(max_length=255, primary_key=True, serialize=False)),
            ("shape", models.TextField(null=True)),
            ("horizon_end", InstantField(null=True)),
            ("resets", models.IntegerField(db_default=0)),
        ],
        options={
            "db_table": "calsync_plan_states",
            "default_permissions": (),
        },
    ),
    migrations.CreateModel(
        name="Rule",
        fields=[
            (
                "pk",
                models.CompositePrimaryKey(
                    "owner", "position", blank=True, editable=False, primary_key=True, serialize=False
                ),
            ),
            ("owner", models.CharField(max_length=255)),
            ("position", models.IntegerField()),
            ("value", models.TextField()),
        ],
        options={
            "db_table": "calsync_rules",
            "default_permissions": (),
        },
    ),
    migrations.CreateModel(
        name="Run",
        fields=[
            ("id", models.BigAutoField(primary_key=True, serialize=False)),
            ("finished_at", InstantField(null=True)),
            ("value", models.TextField()),
        ],
        options={
            "db_table": "calsync_runs",
            "default_permissions": ("view", "change"),
        },
    ),
    migrations.CreateModel(
        name="RunCalendar",
        fields=[
            (
                "pk",
                models.CompositePrimaryKey(
                    "calendar_id", "run_id", blank=True, editable=False, primary_key=True, serialize=False
                ),
            ),
            ("calendar_id", models.BigIntegerField()),
        ],
        options={
            "db_table": "calsync_run_calendars",
            "default_permissions": (),
        },
    ),
    migrations.CreateModel(
        name="Subscription",
        fields=[
            ("id", models.BigAutoField(primary_key=True, serialize=False)),
            ("name_hash", models.CharField(max_length=64, unique=True)),
            ("value", models.TextField()),
        ],
        options={
            "db_table": "calsync_subscriptions",
            "default_permissions": (),
        },
    ),
    migrations.CreateModel(
        name="Credential",
        fields=[
            (
                "account",
                models.OneToOneField(
                    on_delete=models.DO_NOTHING,
                    primary_key=True,
                    related_name="credential",
                    serialize=False,
                    to="calsync.account",
                ),
            ),
            ("sealed", models.TextField()),
            ("saved_at", InstantField()),
        ],
        options={
            "db_table": "calsync_credentials",
            "default_permissions": (),
        },
    ),
    migrations.AddConstraint(
        model_name="account",
        constraint=models.UniqueConstraint(fields=("owner", "name"), name="uq_calsync_accounts_owner_name"),
    ),
    migrations.CreateModel(
        name="HeldDeletion",
        fields=[],
        options={
            "proxy": True,
            "default_permissions": ("view", "change"),
            "indexes": [],
            "constraints": [],
        },
        bases=("calsync.block",),
    ),
    migrations.CreateModel(
        name="ReadState",
        fields=[
            (
                "calendar",
                models.OneToOneField(
                    on_delete=models.DO_NOTHING,
                    primary_key=True,
                    related_name="read_state",
                    serialize=False,
                    to="calsync.calendar",
                ),
            ),
            ("due_at", InstantField(null=True)),
            ("value", models.TextField()),
            ("failures", models.IntegerField()),
        ],
        options={
            "db_table": "calsync_read_states",
            "default_permissions": (),
        },
    ),
    migrations.CreateModel(
        name="Watch",
        fields=[
            (
                "calendar",
                models.OneToOneField(
                    on_delete=models.DO_NOTHING,
                    primary_key=True,
                    related_name="watch",
                    serialize=False,
                    to="calsync.calendar",
                ),
            ),
            ("due_at", InstantField(null=True)),
            ("check_at", InstantField(null=True)),
            ("pushed_at", InstantField(null=True)),
            ("called", models.IntegerField(null=True)),
            ("state", models.CharField(max_length=32, null=True, verbose_name="push")),
            ("value", models.TextField(null=True)),
        ],
        options={
            "verbose_name": "push health",
            "verbose_name_plural": "push health",
            "db_table": "calsync_watches",
            "default_permissions": ("view", "change"),
        },
    ),
    migrations.AddField(
        model_name="calendar",
        name="account",
        field=models.ForeignKey(on_delete=models.DO_NOTHING, related_name="calendars", to="calsync.account"),
    ),
    migrations.AddField(
        model_name="block",
        name="target",
        field=models.ForeignKey(on_delete=models.DO_NOTHING, related_name="blocks", to="calsync.calendar"),
    ),
    migrations.AddField(
        model_name="debt",
        name="calendar",
        field=models.ForeignKey(on_delete=models.DO_NOTHING, related_name="debts", to="calsync.calendar"),
    ),
    migrations.AddField(
        model_name="intent",
        name="target",
        field=models.ForeignKey(on_delete=models.DO_NOTHING, related_name="intents", to="calsync.calendar"),
    ),
    migrations.AddField(
        model_name="item",
        name="calendar",
        field=models.ForeignKey(on_delete=models.DO_NOTHING, related_name="items", to="calsync.calendar"),
    ),
    migrations.AddField(
        model_name="journalline",
        name="calendar",
        field=models.ForeignKey(null=True, on_delete=models.DO_NOTHING, related_name="journal", to="calsync.calendar"),
    ),
    migrations.AddField(
        model_name="notification",
        name="calendar",
        field=models.ForeignKey(on_delete=models.DO_NOTHING, related_name="notifications", to="calsync.calendar"),
    ),
    migrations.AddField(
        model_name="runcalendar",
        name="run",
        field=models.ForeignKey(on_delete=models.DO_NOTHING, related_name="run_calendars", to="calsync.run"),
    ),
    migrations.AddField(
        model_name="subscription",
        name="calendar",
        field=models.ForeignKey(on_delete=models.DO_NOTHING, related_name="subscriptions", to="calsync.calendar"),
    ),
    migrations.AddConstraint(
        model_name="calendar",
        constraint=models.UniqueConstraint(
            fields=("account", "remote_hash"), name="uq_calsync_calendars_account_id_remote_hash"
        ),
    ),
)


class Migration(migrations.Migration):
    """The store's revision 0002."""

    initial = True
    dependencies = ()
    operations = (migrations.SeparateDatabaseAndState([UpgradeTables("0002")], list(_MODELS)),)
