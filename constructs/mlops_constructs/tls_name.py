"""The name and the certificate that clients of a load balancer are shown."""

from dataclasses import dataclass

from aws_cdk import aws_ec2 as ec2
from aws_cdk import aws_elasticloadbalancingv2 as elb
from aws_cdk import aws_route53 as route53
from aws_cdk import aws_route53_targets as targets
from constructs import Construct

from mlops_constructs.acknowledgment import acknowledge


@dataclass(frozen=True)
class Tls:
    """A certificate, and the name that it is for.

    Parameters
    ----------
    certificate
        ARN of the certificate in ACM. It is for every name that clients use.
    name
        The name that clients in the VPC use: a zone of its own answers for it there.

    Examples
    --------
    >>> Tls("arn:aws:acm:eu-west-1:123456789012:certificate/1", "mlflow.bank.internal").name
    'mlflow.bank.internal'
    """

    certificate: str
    name: str


def add_listener(
    load_balancer: elb.NetworkLoadBalancer, port: int, tls: Tls | None
) -> elb.NetworkListener:
    """Listen at a port of a load balancer: with TLS where there is a certificate.

    Parameters
    ----------
    load_balancer
        The load balancer.
    port
        The port.
    tls
        The certificate; without one TCP is passed on as it is.
    """
    if tls:
        return load_balancer.add_listener(
            "Listener",
            port=port,
            protocol=elb.Protocol.TLS,
            certificates=[elb.ListenerCertificate.from_arn(tls.certificate)],
            ssl_policy=elb.SslPolicy.TLS13_RES,
        )
    listener = load_balancer.add_listener("Listener", port=port)
    acknowledge(
        listener,
        "The environment names no certificate, so the listener passes TCP, to private addresses"
        " alone.",
        "ELBv2ACMCertificateRequired",
    )
    return listener


def add_name(
    scope: Construct, load_balancer: elb.NetworkLoadBalancer, vpc: ec2.IVpc, tls: Tls
) -> None:
    """Answer for the certificate's name in a VPC, and for nothing else.

    Parameters
    ----------
    scope
        What the name belongs to.
    load_balancer
        What it leads to.
    vpc
        The VPC.
    tls
        The name.
    """
    zone = route53.PrivateHostedZone(scope, "Zone", zone_name=tls.name, vpc=vpc)
    route53.ARecord(
        scope,
        "Name",
        zone=zone,
        target=route53.RecordTarget.from_alias(targets.LoadBalancerTarget(load_balancer)),
    )
