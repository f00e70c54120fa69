"""Pinterest's boards, pins and categories (Geng et al., ICCV 2015)."""
