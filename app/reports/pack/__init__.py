"""The CSV pack: every report by its name."""

from app.reports.pack import members as people
from app.reports.pack import offers, pushes, sharing, spending, stores
from app.reports.report import Report

REPORTS: dict[str, Report] = {
    report.name: report
    for report in (
        stores.STORES_DAILY,
        people.MEMBERS,
        people.CARDS,
        spending.COUPONS,
        spending.REDEMPTIONS,
        spending.CHECKOUTS,
        offers.OFFERS_DAILY,
        offers.SETTLEMENT,
        people.POINTS,
        sharing.REFERRALS,
        sharing.SPREADERS,
        sharing.SHARE_LINKS,
        sharing.REWARDS,
        pushes.CAMPAIGNS,
        pushes.DELIVERIES,
        pushes.CLICKS,
        stores.SCANS,
    )
}
