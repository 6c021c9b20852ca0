"""What holds for every table."""

import pytest
from sqlalchemy import CheckConstraint, Table, inspect, select, text, update
from sqlalchemy.exc import IntegrityError

from app.models import metadata
from core.clock import utc_now
from core.db import db, transaction
from tests.world import make_world

TABLE_ATTRIBUTES = {"__table__", "__tablename__", "__table_args__"}
TENANTLESS = {
    "chains": "is the tenant",
    "wallets": "a person's own, above chains",
    "staff_sessions": "hangs on a member of staff",
    "staff_stores": "hangs on a member of staff",
    "web_push_subscriptions": "a wallet's, above chains",
    "channel_states": "of the installation, like its channels",
    "early_receipts": "of the installation, until it is known which message they are about",
    "offer_slots": "hangs on an offer; on the hot path it is found by the offer alone",
    "offer_days": "hangs on an offer, like its slots",
    "offer_phones": "hangs on an offer, like its slots",
    "offer_budgets": "hangs on an offer, like its slots",
    "offer_stores": "hangs on an offer",
    "offer_programs": "hangs on an offer",
    "offer_tiers": "hangs on an offer",
    "scan_visitors": "hangs on a store code; found by the code alone",
    "share_visitors": "hangs on a share link; found by the link alone",
    "idempotency_records": "of whoever sent the request: a wallet has no chain",
    "leases": "of the installation",
}
FOUND_BY_PARENT = {
    "tiers": "by the program",
    "push_turns": "by the member, who is its key",
    "phone_codes": "by the wallet; its limits count a phone and an address in all chains together",
}
LONG_AGO = utc_now().replace(year=2001)
FAR_AHEAD = utc_now().replace(year=2099)
AN_ITEM = {"value_cents": None, "item_cents": 1, "item_name": "x", "item_name_en": "x"}
BETWEEN_DATES = {"valid_from": LONG_AGO, "valid_until": FAR_AHEAD, "valid_days": None}
BREAKERS = {
    "ck_chains_cutoff_hour_range": {"cutoff_hour": 13},
    "ck_chains_accent_is_hex": {"accent": "#C84"},
    "ck_stores_code_not_empty": {"code": ""},
    "ck_stores_longitude_range": {"longitude": 181},
    "ck_stores_latitude_range": {"latitude": -91},
    "ck_stores_point_is_whole": {"longitude": None},
    "ck_store_codes_token_length": {"token": "short"},
    "ck_staff_failed_logins_not_negative": {"failed_logins": -1},
    "ck_staff_failed_pins_not_negative": {"failed_pins": -1},
    "ck_staff_sessions_validity_order": {"valid_until": LONG_AGO},
    "ck_api_keys_store_roles_need_a_store": {"store_id": None},
    "ck_programs_points_not_negative": {"points_per_unit": -1},
    "ck_programs_spending_positive": {"spend_points": 0, "spend_cents": 1},
    "ck_programs_spending_is_whole": {"spend_points": 1},
    "ck_tiers_discount_range": {"discount_bp": 10_001},
    "ck_tiers_multiplier_not_negative": {"points_multiplier_bp": -1},
    "ck_tiers_threshold_not_negative": {"threshold_points": -1},
    "ck_tiers_spend_not_negative": {"threshold_cents": -1},
    "ck_members_verified_has_phone": {"phone": None, "phone_verified_at": FAR_AHEAD},
    "ck_phone_codes_tries_range": {"tries": 6},
    "ck_phone_codes_validity_order": {"valid_until": LONG_AGO},
    "ck_cards_number_length": {"number": "123"},
    "ck_cards_points_not_negative": {"points": -1},
    "ck_cards_value_not_negative": {"value_cents": -1},
    "ck_cards_progress_not_negative": {"spent_cents": -1},
    "ck_cards_closed_has_time": {"state": "closed"},
    "ck_point_entries_delta_not_zero": {"delta": 0},
    "ck_point_entries_balance_not_negative": {"balance": -1},
    "ck_offers_kind_has_its_value": {"value_cents": 0},
    "ck_offers_fixed_price_has_price": {"price_cents": 1},
    "ck_offers_price_below_item": AN_ITEM | {"kind": "fixed_price", "price_cents": 1},
    "ck_offers_item_has_names": {"item_name": "x"},
    "ck_offers_stacking_known": {"stacking": "??", "stack_group": None},
    "ck_offers_groups_are_stackable": {"stacking": "exclusive"},
    "ck_offers_valid_delay_range": {"valid_delay_days": 366},
    "ck_offers_delay_needs_days": BETWEEN_DATES | {"valid_delay_days": 1},
    "ck_offers_weekdays_range": {"weekdays": 128},
    "ck_offers_per_day_limit_positive": {"per_day_limit": 0},
    "ck_offers_per_phone_limit_range": {"per_phone_limit": 0},
    "ck_offers_budget_positive": {"budget_cents": 0},
    "ck_offers_budget_needs_a_cap": {"kind": "percent", "percent_bp": 1, "value_cents": None, "budget_cents": 1},
    "ck_offers_staff_gift_limit_range": {"staff_gift_limit": 0},
    "ck_offers_hq_share_range": {"hq_share_bp": 10_001},
    "ck_offers_submission_is_whole": {"submitted_by": None},
    "ck_offers_approval_is_whole": {"approved_by": None},
    "ck_offers_approved_by_a_second": {"approved_by": text("submitted_by")},
    "ck_offers_approved_after_submission": {"submitted_at": None, "submitted_by": None},
    "ck_offers_alarm_level_known": {"alarm_level": 21},
    "ck_offers_cap_positive": {"kind": "percent", "percent_bp": 1, "value_cents": None, "cap_cents": 0},
    "ck_offers_min_not_negative": {"min_cents": -1},
    "ck_offers_stock_not_negative": {"stock": -1},
    "ck_offers_per_member_limit_range": {"per_member_limit": 0},
    "ck_offers_validity_order": {"valid_from": FAR_AHEAD, "valid_until": LONG_AGO, "valid_days": None},
    "ck_offers_valid_days_range": {"valid_days": 0},
    "ck_offers_one_kind_of_validity": {"valid_days": None},
    "ck_offers_fixed_validity_is_whole": {"valid_from": LONG_AGO},
    "ck_offer_slots_claimed_within_stock": {"claimed": 11},
    "ck_offer_days_claimed_within_day": {"claimed": 2},
    "ck_offer_phones_claimed_within_phone": {"claimed": 2},
    "ck_offer_budgets_committed_within_budget": {"committed_cents": 2},
    "ck_coupons_validity_order": {"valid_until": LONG_AGO},
    "ck_coupons_ordinal_range": {"ordinal": 0},
    "ck_coupons_redeemed_has_time": {"state": "redeemed"},
    "ck_coupons_redeemed_in_time": {"state": "redeemed", "redeemed_at": FAR_AHEAD},
    "ck_coupons_committed_not_negative": {"committed_cents": -1},
    "ck_coupons_friend_has_giver": {"source": "friend"},
    "ck_coupon_gifts_state_known": {"state": "??", "ended_at": FAR_AHEAD},
    "ck_coupon_gifts_validity_order": {"valid_until": LONG_AGO},
    "ck_coupon_gifts_ended_has_time": {"ended_at": FAR_AHEAD},
    "ck_coupon_gifts_accepted_has_coupon": {"new_coupon_id": text("coupon_id")},
    "ck_staff_gifts_ordinal_range": {"ordinal": 2},
    "ck_staff_gifts_reason_not_empty": {"reason": ""},
    "ck_code_batches_voided_has_time": {"voided_at": FAR_AHEAD},
    "ck_code_batches_made_within_size": {"made": -1, "state": "making"},
    "ck_code_batches_active_is_whole": {"made": 0},
    "ck_printed_codes_code_length": {"code": "short"},
    "ck_printed_codes_used_has_time": {"used_at": None},
    "ck_checkouts_amount_positive": {"amount_cents": 0, "payable_cents": 0},
    "ck_checkouts_discounts_not_negative": {"member_discount_cents": -1, "payable_cents": 101},
    "ck_checkouts_payable_not_negative": {"member_discount_cents": 101, "payable_cents": -1},
    "ck_checkouts_adds_up": {"payable_cents": 99},
    "ck_checkouts_points_not_negative": {"points_earned": -1},
    "ck_checkouts_points_used_not_negative": {"points_used": -1},
    "ck_checkouts_refunded_within_payable": {"refunded_cents": 101},
    "ck_checkouts_refunded_was_settled": {"refunded_cents": 1, "state": "voided", "voided_at": FAR_AHEAD},
    "ck_checkouts_refunded_wholly": {"state": "refunded"},
    "ck_checkouts_settled_has_time": {"settled_at": None, "business_day": None},
    "ck_checkouts_settled_has_day": {"business_day": None},
    "ck_checkouts_reserved_has_end": {"state": "reserved", "settled_at": None, "business_day": None},
    "ck_checkouts_voided_has_time": {"state": "voided"},
    "ck_redemptions_discount_not_negative": {"discount_cents": -1},
    "ck_redemptions_undone_after": {"undone_at": LONG_AGO},
    "ck_refunds_amount_positive": {"amount_cents": 0},
    "ck_refunds_points_not_negative": {"points_short": -1},
    "ck_till_policies_window_range": {"window_minutes": -1},
    "ck_till_policies_most_refund_not_negative": {"most_refund_cents": -1},
    "ck_share_links_token_length": {"token": "short"},
    "ck_share_links_visits_not_negative": {"visits": -1},
    "ck_share_visitors_opened_since_visit": {"opened_at": LONG_AGO},
    "ck_referrals_not_self": {"referrer_id": text("member_id")},
    "ck_referrals_depth_positive": {"depth": 0, "path": "0123456789"},
    "ck_referrals_path_fits_depth": {"path": "short"},
    "ck_sharing_policies_window_range": {"window_days": 91},
    "ck_sharer_names_shown_as_known": {"shown_as": "??", "nickname": None},
    "ck_reward_rules_trigger_known": {"trigger": "??", "min_cents": 0, "within_days": None},
    "ck_rewards_state_known": {"state": "??", "decided_at": FAR_AHEAD, "decided_by": "system"},
    "ck_share_channels_code_is_its_own": {"code": "friend"},
    "ck_share_channels_code_length": {"code": "x"},
    "ck_share_channels_has_names": {"name_en": ""},
    "ck_sharer_names_nickname_is_given": {"shown_as": "masked"},
    "ck_sharer_names_nickname_not_empty": {"nickname": ""},
    "ck_reward_rules_has_names": {"name": ""},
    "ck_reward_rules_min_not_negative": {"min_cents": -1},
    "ck_reward_rules_min_is_of_a_purchase": {"trigger": "card_issued", "within_days": None},
    "ck_reward_rules_purchase_has_time": {"within_days": None},
    "ck_reward_rules_within_days_range": {"within_days": 366},
    "ck_reward_rules_hold_days_range": {"hold_days": 91},
    "ck_reward_rules_points_positive": {"friend_offer_id": None, "friend_points": 0},
    "ck_reward_rules_referrer_gets_one": {"referrer_points": 1},
    "ck_reward_rules_friend_gets_one": {"friend_points": 1},
    "ck_reward_rules_gives_something": {"referrer_offer_id": None, "friend_offer_id": None},
    "ck_reward_rules_costs_not_negative": {"friend_cost_cents": -1},
    "ck_reward_rules_caps_positive": {"per_day_cap": 0},
    "ck_reward_rules_budget_positive": {"budget_cents": 0, "committed_cents": 0},
    "ck_reward_rules_committed_not_negative": {"committed_cents": -1},
    "ck_reward_rules_within_budget": {"budget_cents": 1, "committed_cents": 2},
    "ck_reward_rules_started_has_time": {"started_at": None},
    "ck_reward_rules_ended_has_time": {"state": "ended"},
    "ck_reward_rules_ended_after_start": {"state": "ended", "ended_at": LONG_AGO},
    "ck_rewards_one_kind": {"points": 5},
    "ck_rewards_points_positive": {"offer_id": None, "points": 0},
    "ck_rewards_cost_not_negative": {"cost_cents": 0, "committed_cents": -1},
    "ck_rewards_commits_its_cost": {"committed_cents": 2},
    "ck_rewards_refusal_has_reason": {"reason": None},
    "ck_rewards_approved_is_given": {
        "state": "approved",
        "reason": None,
        "decided_at": FAR_AHEAD,
        "decided_by": "system",
    },
    "ck_rewards_decided_has_time": {"state": "rejected"},
    "ck_rewards_decision_is_whole": {"decided_by": "system"},
    "ck_rewards_points_short_range": {"offer_id": None, "points": 1, "points_short": 2},
    "ck_rewards_lost_was_given": {"is_coupon_lost": True},
    "ck_fraud_findings_dismissal_is_whole": {"dismissed_by": "staff:1"},
    "ck_fraud_findings_reason_needs_dismissal": {"dismiss_reason": "known"},
    "ck_fraud_settings_threshold_range": {"threshold": 0},
    "ck_members_birthday_length": {"birthday": "5-31"},
    "ck_segments_has_name": {"name": ""},
    "ck_campaign_entries_has_occasion": {"occasion": ""},
    "ck_campaign_looks_days_not_negative": {"days": -1},
    "ck_message_templates_has_name": {"name": ""},
    "ck_vendor_templates_has_code": {"code": ""},
    "ck_clicks_count_positive": {"count": 0},
    "ck_suppressions_lifting_is_whole": {"lifted_by": "staff:1"},
    "ck_wechat_consents_balance_not_negative": {"balance": -1},
    "ck_channel_states_failures_not_negative": {"failures": -1},
    "ck_webhook_endpoints_has_url": {"url": ""},
    "ck_webhook_endpoints_failures_not_negative": {"failures": -1},
    "ck_webhook_endpoints_disabled_because_known": {"disabled_because": "??", "disabled_at": FAR_AHEAD},
    "ck_webhook_endpoints_previous_secret_ends": {"previous_secret": "x"},
    "ck_webhook_endpoints_disabled_has_reason": {"disabled_at": FAR_AHEAD},
    "ck_webhook_messages_lease_means_sending": {"leased_until": FAR_AHEAD},
    "ck_webhook_messages_sent_has_time": {"sent_at": None},
    "ck_webhook_messages_state_known": {"state": "??", "sent_at": None},
    "ck_deliveries_variant_known": {"variant": "E"},
    "ck_webhook_messages_attempts_not_negative": {"attempts": -1},
    "ck_campaigns_holdout_range": {"holdout_bp": 5001},
    "ck_campaigns_submission_is_whole": {"submitted_by": None, "approved_at": None, "approved_by": None},
    "ck_campaigns_approval_is_whole": {"approved_by": None},
    "ck_campaigns_approved_by_a_second": {"submitted_by": text("approved_by")},
    "ck_campaigns_approved_after_submission": {"submitted_at": None, "submitted_by": None},
    "ck_deliveries_delivered_has_state": {"delivered_at": FAR_AHEAD},
    "ck_push_policies_global_holdout_range": {"global_holdout_bp": 2001},
    "ck_push_policies_error_pause_range": {"error_pause_after": 0},
    "ck_campaigns_window_order": {"send_at": FAR_AHEAD, "send_until": LONG_AGO},
    "ck_campaigns_scheduled_has_time": {"state": "scheduled"},
    "ck_campaign_runs_audience_not_negative": {"audience_count": -1},
    "ck_campaign_runs_finished_has_time": {"state": "finished"},
    "ck_deliveries_lease_means_sending": {"state": "sending"},
    "ck_deliveries_skipped_has_reason": {"state": "skipped"},
    "ck_deliveries_sent_has_time": {"sent_at": None},
    "ck_deliveries_reason_known": {"state": "skipped", "reason": "??"},
    "ck_deliveries_attempts_not_negative": {"attempts": -1},
    "ck_push_turns_turn_positive": {"turn": 0},
    "ck_push_policies_hours": {"quiet_from": 24},
    "ck_push_policies_cap_order": {"cap_per_week": 0},
}
# A CHECK that another one implies is still declared: it says which words there are.
IMPLIED_BY = {"ck_offers_kind_known": "ck_offers_kind_has_its_value"}


def checks() -> list[tuple[str, str]]:
    return [
        (table.name, str(constraint.name))
        for table in metadata.sorted_tables
        for constraint in sorted(table.constraints, key=lambda c: str(c.name))
        if isinstance(constraint, CheckConstraint)
    ]


def breaker_of(table: str, check: str) -> dict[str, object]:
    """Values that only this CHECK refuses."""
    if check.endswith("_known") and check not in BREAKERS:  # a column that holds one of some words
        column = check.removeprefix(f"ck_{table}_").removesuffix("_known")
        return {column: "??"}
    assert check in BREAKERS, f"{check}: add to BREAKERS what it must refuse"
    return BREAKERS[check]


def test_no_model_misspells_its_table_attributes():
    for mapper in db.Model.registry.mappers:
        named = {name for name in vars(mapper.class_) if name.startswith("__table")}
        assert named <= TABLE_ATTRIBUTES, mapper.class_


def test_the_database_has_the_checks_that_the_models_declare(app):
    database = inspect(db.engine)
    for table in metadata.sorted_tables:
        declared = {c.name for c in table.constraints if isinstance(c, CheckConstraint)}
        real = {c["name"] for c in database.get_check_constraints(table.name)}
        assert declared == real, table.name


def test_every_table_of_a_tenant_says_whose_it_is():
    tenantless = {table.name for table in metadata.sorted_tables if "chain_id" not in table.columns}

    assert tenantless == set(TENANTLESS)


@pytest.mark.parametrize("table", [t for t in metadata.sorted_tables if "chain_id" in t.columns], ids=str)
def test_a_chain_id_is_there_and_leads_an_index(table: Table):
    if "chain_id" in table.primary_key.columns or table.name in FOUND_BY_PARENT:
        return
    starts = {next(iter(index.columns.keys())) for index in table.indexes}
    starts |= {next(iter(c.columns.keys())) for c in table.constraints if len(getattr(c, "columns", ())) > 1}
    assert not table.columns["chain_id"].nullable
    assert "chain_id" in starts, f"{table.name} has no index that begins with chain_id"


def test_no_breaker_is_for_a_check_that_is_gone():
    assert set(BREAKERS) | set(IMPLIED_BY) <= {check for _, check in checks()}


@pytest.fixture
def world(app):
    return make_world("anything")


def test_the_tables_refuse_what_their_checks_forbid(world):
    taken = [check for table, check in checks() if not is_refused(table, check)]

    assert taken == []


def is_refused(table: str, check: str) -> bool:
    """Whether a row that breaks the check is not taken, and because of that check."""
    try:
        with transaction():
            db.session.execute(update(metadata.tables[table]).values(breaker_of(table, check)))
    except IntegrityError as refusal:
        return IMPLIED_BY.get(check, check) in str(refusal)
    return False


def test_every_table_has_a_row_in_the_world_of_the_tests(world):
    for table in metadata.sorted_tables:
        assert db.session.execute(select(table).limit(1)).one_or_none() is not None, table.name


def test_names_follow_the_one_convention():
    for table in metadata.sorted_tables:
        for constraint in table.constraints:
            assert str(constraint.name).startswith(("pk_", "fk_", "uq_", "ck_")), (table.name, constraint.name)
        for index in table.indexes:
            assert str(index.name).startswith(("ix_", "uq_")), (table.name, index.name)
